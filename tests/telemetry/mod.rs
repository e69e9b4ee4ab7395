//! What is recorded beside the books.

mod executions;
mod switches;
