//! Actions as such, whatever they make: what they find around them, the request that is made of them, looking their
//! results up, running what is missing, publishing. What kinds of actions there are is told in `units`.

mod exec_roots;
mod flights;
mod localise;
mod perform;
mod stop;
mod surroundings;

pub(crate) use exec_roots::{ExecRootPath, ExecRoots};
pub(crate) use flights::Flights;
pub(crate) use perform::{Actions, Conclusion, Made, Ran, Step};
pub(crate) use stop::Stop;
pub(crate) use surroundings::Surroundings;
