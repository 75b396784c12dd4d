"""Every fault on PostgreSQL in its short form; the long one is ``make faults``."""

from tests.faults.short_form import faults_on

test_fault = faults_on("postgresql")
