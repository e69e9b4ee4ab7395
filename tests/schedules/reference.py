"""Says when expressions of cron are due, by the library cronsim, which does as Debian's cron does.

Reads lines of JSON, [zone, expression, after, until] in seconds since the epoch; answers each with a line, the list of
all occurrences after `after` up to `until`.

The library goes on by whole hours and minutes of elapsed time, from whatever minute it stands at. Where clocks are changed
by half an hour, as on Lord Howe, it so stands at minute 30 of each hour, and passes over the first half of those that
match, until it begins another day. Only there, and only for expressions that follow elapsed time, this script looks at
each minute of the two days instead, with what the library read from the expression.
"""

import json
import sys
import zoneinfo
from datetime import datetime

from cronsim import CronSim

# The database of the package `tzdata`, whose version is fixed, not the one of this machine.
zoneinfo.reset_tzpath(to=[])

DAY = 24 * 3600


def by_library(zone, expression, after, until):
    for occurrence in CronSim(expression, datetime.fromtimestamp(after, zone)):
        at = int(occurrence.timestamp())
        if at > until:
            return
        yield at


def by_minute(zone, expression, after, until):
    cron = CronSim(expression, datetime.fromtimestamp(after, zone))
    for at in range(after - after % 60 + 60, until + 1, 60):
        shown = datetime.fromtimestamp(at, zone)
        if shown.minute in cron.minutes and shown.hour in cron.hours:
            if shown.month in cron.months and cron.match_day(shown.date()):
                yield at


def occurrences(name, expression, after, until):
    zone = zoneinfo.ZoneInfo(name)
    found = set(by_library(zone, expression, after, until))
    minute, hour, *_ = expression.split()
    if minute.startswith("*") or hour.startswith("*"):
        ahead = lambda at: datetime.fromtimestamp(at, zone).utcoffset().total_seconds()
        for day in range(after, until, DAY):
            if (ahead(day + DAY) - ahead(day)) % 3600:
                end = min(day + 2 * DAY, until)
                found = {at for at in found if not day < at <= end}
                found.update(by_minute(zone, expression, day, end))
    return sorted(found)


for line in sys.stdin:
    print(json.dumps(occurrences(*json.loads(line))), flush=True)
