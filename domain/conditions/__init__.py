"""CEL expressions: type-checked at publication, evaluated at run time."""
