"""The site: settings, servers and what all apps share.

Every process imports this package first, so it chooses the time zone data: the pinned package
`tzdata`, as an empty PYTHONTZPATH would. The system's data, which Python prefers, may be older.
"""

import zoneinfo

zoneinfo.reset_tzpath(())
zoneinfo.ZoneInfo.clear_cache()
