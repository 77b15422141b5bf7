"""Train, read and explain dense networks for MNIST; backpropagation in plain NumPy."""

__version__ = "0.1.0"
