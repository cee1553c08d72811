"""How sure one must be, and what follows: of a look, of a lens, of the claim."""
