"""Two optimisers that treat matrices as matrices, as callables for `gridcode.train`.

Both keep all their state in tensors and update vectors (biases, the start) by AdamW.
"""

import torch

# Quintic polynomial that takes singular values towards 1 (Jordan et al. 2024, "Muon").
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
# Root mean square of an update of AdamW, which updates of Muon are scaled to (Liu et al. 2025,
# "Muon is scalable for LLM training").
UPDATE_RMS = 0.2


def orthogonalised(matrix, iterations=5):
    """U V^T of a tall matrix U S V^T, nearly; products are of its smaller side only."""
    a, b, c = NEWTON_SCHULZ
    wide = matrix.shape[0] < matrix.shape[1]
    tall = matrix.T if wide else matrix
    gram = tall.T @ tall
    size = gram.trace().clamp_min(1e-30)  # Of the largest squared singular value, a bound.
    gram = gram / size
    eye = torch.eye(len(gram), dtype=gram.dtype)
    whole = eye
    for _ in range(iterations):
        factor = a * eye + b * gram + c * gram @ gram
        whole = whole @ factor
        gram = factor @ gram @ factor
    found = tall @ (whole / size.sqrt())
    return found.T if wide else found


class _Mixed(torch.optim.Optimizer):
    """AdamW; matrices of at least `smallest` rows and columns go to `matrix_step`."""

    smallest = 16

    def __init__(self, params, lr, betas=(0.9, 0.98), eps=1e-8):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure=None):  # noqa: ARG002
        """One update."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["step"] = torch.zeros(())
                state["step"] += 1
                if p.dim() == 2 and min(p.shape) >= self.smallest:
                    self.matrix_step(p, state, group)
                else:
                    update = adam(p.grad, state, group, int(state["step"]))
                    p.sub_(update, alpha=group["lr"])


def adam(gradient, state, group, step):
    """AdamW's update without the rate."""
    first, second = group["betas"]
    if "exp_avg" not in state:
        state["exp_avg"], state["exp_avg_sq"] = (torch.zeros_like(gradient) for _ in range(2))
    state["exp_avg"].lerp_(gradient, 1 - first)
    state["exp_avg_sq"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
    root = (state["exp_avg_sq"] / (1 - second**step)).sqrt_().add_(group["eps"])
    return (state["exp_avg"] / (1 - first**step)).div_(root)


class Muon(_Mixed):
    """Orthogonalised momentum for matrices."""

    momentum = 0.95

    def matrix_step(self, p, state, group):
        """The update of a matrix."""
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(p)
        state["momentum"].lerp_(p.grad, 1 - self.momentum)
        update = orthogonalised(p.grad.lerp(state["momentum"], self.momentum))
        p.sub_(update, alpha=group["lr"] * UPDATE_RMS * max(p.shape) ** 0.5)


class Soap(_Mixed):
    """AdamW in the eigenvectors of the gradient's second moments, of the smaller side only.

    Vyas et al. 2024, "SOAP". The larger side of the last layer has units^2 rows.
    """

    every = 10
    memory = 0.95

    def matrix_step(self, p, state, group):
        """The update of a matrix."""
        wide = p.shape[0] < p.shape[1]
        gradient = p.grad.T if wide else p.grad
        side = gradient.shape[1]
        if "moments" not in state:
            state["moments"] = torch.zeros(side, side)
            state["basis"] = torch.eye(side)
        state["moments"].lerp_(gradient.T @ gradient, 1 - self.memory)
        step = int(state["step"])
        if step % self.every == 1:
            _, basis = torch.linalg.eigh(state["moments"])
            if "exp_avg" in state:
                # The mean gradient is known in the old eigenvectors.
                state["exp_avg"] = state["exp_avg"] @ (state["basis"].T @ basis)
            state["basis"] = basis
        update = adam(gradient @ state["basis"], state, group, step) @ state["basis"].T
        p.sub_(update.T if wide else update, alpha=group["lr"])
