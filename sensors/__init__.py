"""Sensors: what is due is dispatched, what died is reaped, what waits is sent. Decisions are the library's."""
