"""One way of training: a task says what to minimise, a recipe says on what and for how long."""
