//! Actions of any kind: their surroundings, their requests, looking up results, running, publishing. The kinds of
//! actions are in `units`.

mod exec_roots;
mod flights;
mod grants;
mod localize;
mod perform;
mod stop;
mod surroundings;

pub(crate) use exec_roots::{ExecRootPath, ExecRoots};
pub(crate) use flights::Flights;
pub(crate) use grants::Grants;
pub(crate) use perform::{Actions, Concluded, Conclusion, Entered, Made, Performed, Ran, Step};
pub(crate) use stop::{Again, Stop};
pub(crate) use surroundings::Surroundings;
