"""What the log says beside each message."""

import logging


class RequestId(logging.Filter):
    """Give each record a `request_id`: that of the request it came with, else "-"."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = getattr(getattr(record, "request", None), "request_id", "-")
        return True
