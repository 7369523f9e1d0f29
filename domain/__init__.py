"""Pure rules: values in, values out. No clock, randomness, environment or I/O."""
