"""What `TwoPass` says when it is used out of order. Must not import anything of this package."""

NO_CLOSURE = (
    "{name}.step() needs a closure that zeroes the gradients, computes the loss, calls backward "
    "and returns the loss: a step takes two passes. In a manual loop, or with a gradient scaler, "
    "call first_step(), compute the gradients again, then second_step(); with a scaler "
    "step(closure, scaler=scaler) does both, in place of scaler.step(optimizer)"
)

NOT_A_CLOSURE = (
    "{name}.step(closure) takes a function and got a {kind}: put zero_grad(), the loss and its "
    "backward() into a function that returns the loss, and pass the function itself, uncalled; "
    "it is called twice"
)

NO_GRADIENT = (
    "no parameter of {name} has a gradient after the closure: it must call backward() on a loss "
    "that depends on them (and not zero the gradients afterwards)"
)

NO_FIRST_STEP = (
    "second_step() without first_step(): call first_step() after the first backward pass, and "
    "compute the gradients again in between"
)

TWO_FIRST_STEPS = (
    "first_step() has been called already, and the weights are perturbed: call second_step(), "
    "or restore() to undo the first"
)

UNRECORDED = (
    "second_pass() repeats the random numbers of the first pass: put the first forward and "
    "backward pass into `with optimizer.first_pass():`"
)

PERTURBED = (
    "{name} cannot {what} between first_step() and second_step(), while the weights are "
    "perturbed: call second_step(), or restore() to undo the first"
)

BATCH_NORM = (
    "the model has BatchNorm layers, and {name} does not know it: their running statistics "
    "would take in the second pass as well, at the perturbed weights. Pass model=model"
)
