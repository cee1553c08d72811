"""What two optimizers are compared along, from independent replicates (docs/design.md, 7).

`pair.judge_pair` compares two optimizers by their trainings; `curves` and `estimates` are what its
numbers are made of, `own_scale` and `equal_radius` the fair lenses.
"""
