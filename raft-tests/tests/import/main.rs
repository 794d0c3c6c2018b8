//! What the predecessor decided is taken over once, from the file or the database where it kept it, and nothing there is changed.

mod from_files;
mod from_servers;
mod old;
