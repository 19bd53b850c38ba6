"""The builder of the contract: a request in, the firmware image and result.json out."""
