//! Runs hooks: processes of the shell, with deadlines, for whoever watches what happens to a topology.
