"""Offloading of training from small devices, as nnstreamer's training offloading service does it (Tizen 9)."""
