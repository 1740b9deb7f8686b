# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Twin of module_utils.backup.restore_options.backup_checks().
    DOCUMENTATION = r"""
options:
  assertions:
    description: Your own checks of the restored data, part of level L4. Each is run in a transaction that can't write.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the check in messages.
        type: str
        required: true
      query:
        description: A SELECT; the first column of its first row counts.
        type: str
        required: true
      expected:
        description: What it must be; compared as a number where both are numbers, else as text. V(NULL) is no value or no row.
        type: str
        required: true
  ledgers:
    description: Tables of bookings whose debits must equal their credits, part of level L4.
    type: list
    elements: dict
    default: []
    suboptions:
      table:
        description: The table.
        type: str
        required: true
      debit_column:
        description: Its column with debits.
        type: str
        required: true
      credit_column:
        description: Its column with credits.
        type: str
        required: true
      group_columns:
        description: Columns by which debits and credits must be equal, such as the currency or the journal entry. Omitted, over all rows.
        type: list
        elements: str
        default: []
  events:
    description:
      - How the event stores in the restored data are verified, part of level L4. The options are those of
        M(finaegis.runbook.event_store_verify), such as C(known_classes), C(money) and C(event_hashes), and are checked in the same way.
      - Empty, its rules that need no options are used. A database without event stores has nothing to verify here.
    type: dict
    default: {}
"""
