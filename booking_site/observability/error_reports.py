"""What Django's error pages and error mails hide. Production shows and sends neither."""

import re

from django.views.debug import SafeExceptionReporterFilter


class ErrorReportFilter(SafeExceptionReporterFilter):
    """Hides addresses of servers as well, because they contain passwords."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|URL|DSN|LOCATION", re.IGNORECASE
    )
