"""Measurements: what each stage costs, and what Dagster adds. Medians of fresh processes; never a test."""
