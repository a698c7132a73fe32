"""GPU kernels in Triton, each equal to a plain function elsewhere; nothing here is imported before a GPU asks for it.

This module imports no Triton: the package must load where there is none.
"""
