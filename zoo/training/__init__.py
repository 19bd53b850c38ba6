"""Training: recipes, the worker that carries them out in a process of its own, evaluation, and quantisation."""
