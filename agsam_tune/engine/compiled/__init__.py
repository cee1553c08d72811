"""Narrow perceptrons in machine code that is compiled on first use and cached (Numba).

`tile` is the inner loop of a matrix product, `perceptron` a pass forward and backward,
`losses` the losses, `rules` the ascent steps and update directions, `step` the two passes
of a step of every row, `rows` what the engine calls. Each row is computed alone, from its
weights to its update direction, within a core's cache: its bits cannot depend on its pack.
"""
