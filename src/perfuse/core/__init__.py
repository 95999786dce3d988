"""Ground floor: the plain types every room speaks in. Imports nothing but numpy."""
