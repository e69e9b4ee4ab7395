//! What jobs cost: kinds of tokens, the least, and prices that change while jobs are open.

mod charges;
mod moment;
mod reload;
