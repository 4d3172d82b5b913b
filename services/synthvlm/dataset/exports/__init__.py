"""Dataset versions in other forms; one module a form."""
