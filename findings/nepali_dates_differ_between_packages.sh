#!/bin/bash
# nepali-datetime 1.0.8.5, nepali 1.2.0, bikram 2.1.4: one date of Nepal's calendar is two days, in the past and in the future.
#
# Book closures, fiscal years and maturities of Nepal's companies are dates of Bikram Sambat (BS). Its months have 29 to 32 days,
# which each year's official calendar settles. Every package has a table of them, and the tables go on to 2089, 2099 or 2100 with
# guesses, which are not marked and raise nothing; some turned out wrong and stayed. The fiscal year that began on 1 Shrawan 2082,
# Thursday 17 July 2025, begins on 16 July for bikram (and for datetime-nepali 1.0.0.5, and on npm for nepali-date 0.1.3 and
# ad-bs-converter 0.5.0). For dates to come, nepali-datetime and nepali differ with each other: the first of Asar 2084 is 15 June
# 2027 for one, 16 June for the other, and so for a third of the months that follow. So a debenture that matures on 1 Shrawan 2086
# has two dates, and a join of two sources by the converted date loses rows.
#
# What to do: use a table for published years only (up to the present one), and compare two packages in a test.
# On 2082: leapfrogtechnology/nepali-date-picker #70. On the guesses: opensource-nepal/node-nepali-datetime #82 and
# SushilShrestha/pyBSDate #7. The packages' documentation gives their range and not how far it is known.
#
# Seen: "1 Shrawan 2082: 2025-07-17, 2025-07-17, 2025-07-16; 1 Asar 2084: 2027-06-15, 2027-06-16, 2027-06-15; 2084 to 2089:
# nepali-datetime and nepali differ in 25 of 72 months". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install nepali-datetime==1.0.8.5 nepali==1.2.0 bikram==2.1.4 2>/dev/null
"$folder/venv/bin/python" - <<'P'
import bikram
import nepali_datetime
from nepali.datetime import nepalidate


def convert(year, month):
    """The first day of a month of Bikram Sambat, by nepali-datetime, nepali and bikram."""
    first = nepali_datetime.date(year, month, 1).to_datetime_date()
    return [str(day) for day in (first, nepalidate(year, month, 1).to_date(), bikram.samwat(year, month, 1).ad)]


past, future = convert(2082, 4), convert(2084, 3)
months = [convert(year, month) for year in range(2084, 2090) for month in range(1, 13)]
apart = sum(one != other for one, other, _ in months)
print(f"1 Shrawan 2082: {', '.join(past)}; 1 Asar 2084: {', '.join(future)};", end=" ")
print(f"2084 to 2089: nepali-datetime and nepali differ in {apart} of {len(months)} months")
assert past == ["2025-07-17", "2025-07-17", "2025-07-16"], "1 Shrawan 2082 has changed"
assert future == ["2027-06-15", "2027-06-16", "2027-06-15"] and apart == 25, "the years to come have changed"
P
