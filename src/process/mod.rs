//! What concerns the process as a whole: its tasks and their drain, its allocator, its installation.

pub mod allocator;
pub mod install;
pub mod tasks;
