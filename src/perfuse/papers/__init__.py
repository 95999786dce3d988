"""One room per method that is taught: README, model, task, recipes."""
