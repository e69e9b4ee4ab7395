//! The books: whatever deeds are done in whatever order, they are those of an independent model, and the audit
//! finds nothing wrong.

mod audit;
mod books;
mod entries;
mod keys;
mod low;
mod race;
mod world;
