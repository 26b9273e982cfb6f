"""Signals in the form that a method asks for: units, leads, rates, filters, perturbations."""
