"""Chains of convolutions and dense layers in machine code, compiled on first use (Numba).

`tile` is the inner loop of a matrix product; `tables` says where everything lies; `convolution`,
`passes` and `losses` make a loss and its gradient, `rules` ascent steps, update directions and
SGD's step, `step` all of it for each row of a pack; `rows` is what the engine calls. Each row is
computed alone, from its weights to the weights after the step, within a core's cache: its bits
cannot depend on its pack.
"""
