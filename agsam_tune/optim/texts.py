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

LOST = (
    "gradients stood in .grad that {name}.step(closure) has discarded, and that the closure does "
    "not zero: each of a step's two passes starts without gradients and computes its own. To "
    "accumulate gradients call backward several times inside the closure; in Lightning take manual "
    "optimization (self.automatic_optimization = False) in place of accumulate_grad_batches. "
    "This is said once"
)

SHARDED = (
    "{name} needs parameters that are whole in each process, and one of shape {shape} is sharded "
    "(fully_shard, FSDP): norms and products would be those of a shard. Train with "
    "DistributedDataParallel, or leave the sharded parameters to an optimizer of their own"
)

UNSCALED = (
    "scaler.unscale_({name}) has already been called since the last update, as for clipping by "
    "hand: a step unscales the gradients of both passes itself, once each. Leave unscale_() out of "
    "the closure and pass max_grad_norm=… to {name}, which clips what is applied; to change the "
    "first gradients alone call unscale_() and then first_step() without the scaler"
)

SECOND_DERIVATIVES = (
    "{base} differentiates the gradients once more (backward(create_graph=True)), and what {name} "
    "gives it is a direction at weights that are put back, which has no graph: take a base "
    "optimizer that needs first derivatives alone, such as SGD or AdamW. The weights are as they "
    "were"
)

NO_NAMES = (
    "the rule {rule} of {name} leaves biases unscaled, and knows them by their names, since a "
    "norm's weight may have a bias's shape: pass model=model, or model.named_parameters() as the "
    "parameters"
)
