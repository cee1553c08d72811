"""The figures of a report: pure functions from tables to panels."""
