"""The site's configuration of gunicorn, with workers that soon lose their patience."""

import runpy

from booking_site import patient_connection, patient_worker

globals().update(runpy.run_path("gunicorn.conf.py"))

patient_worker.ARRIVAL_SECONDS = patient_worker.DEPARTURE_SECONDS = 0.3
patient_worker.WORK_SECONDS = 4.0
patient_connection.STALL_SECONDS = 60.0
