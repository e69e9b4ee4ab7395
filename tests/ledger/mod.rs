//! The books: whatever deeds are done in whatever order, they are those of an independent model, and the audit
//! finds nothing wrong.

mod account;
mod audit;
mod books;
mod entries;
mod keys;
mod low;
mod race;
mod step;
mod tally;
mod world;
