# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook's table "Key Metrics Thresholds", in one place. Above the first number is a warning, above the second critical."""

from __future__ import annotations

RESPONSE_TIME_P95_MS = (500, 2000)
ERROR_RATE_PERCENT = (1, 5)
CPU_PERCENT = (70, 90)
MEMORY_PERCENT = (75, 90)
QUEUE_LENGTH = (1000, 5000)
FAILED_JOBS_PER_HOUR = (10, 50)
DATABASE_CONNECTIONS_PERCENT = (80, 95)

#: The runbook's table "Recovery Time Objectives": seconds to be back (RTO) and seconds of data that may be lost (RPO; None: not
#: applicable).
RECOVERY_SECONDS = {
    "complete_outage": (4 * 3600, 3600),
    "database_failure": (2 * 3600, 15 * 60),
    "application_failure": (30 * 60, None),
    "region_failure": (8 * 3600, 3600),
}
