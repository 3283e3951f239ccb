"""Formulas of numbers: read, evaluated, and differentiated step by step."""
