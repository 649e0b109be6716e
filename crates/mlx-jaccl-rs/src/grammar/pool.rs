//! Threads that compile grammars and compute masks, beside the thread that owns MLX. One pool a process.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// Grammars are read by recursion; memory is taken only where it is used.
pub const STACK_BYTES: usize = 256 << 20;
const MOST_THREADS: usize = 4;

struct Pool {
  jobs: Mutex<VecDeque<Job>>,
  is_there: Condvar,
}

fn pool() -> &'static Pool {
  static POOL: OnceLock<&'static Pool> = OnceLock::new();
  POOL.get_or_init(|| {
    let pool: &'static Pool = Box::leak(Box::new(Pool {
      jobs: Mutex::default(),
      is_there: Condvar::new(),
    }));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    for _ in 0..cores.div_ceil(2).clamp(1, MOST_THREADS) {
      // Without any thread the work is done by who waits for it.
      let builder = thread::Builder::new()
        .name("grammar".to_owned())
        .stack_size(STACK_BYTES);
      drop(builder.spawn(|| work(pool)));
    }
    pool
  })
}

fn work(pool: &Pool) {
  loop {
    let mut jobs = pool.jobs.lock().unwrap_or_else(PoisonError::into_inner);
    let job = loop {
      match jobs.pop_front() {
        Some(job) => break job,
        None => jobs = pool.is_there.wait(jobs).unwrap_or_else(PoisonError::into_inner),
      }
    };
    drop(jobs);
    // A job tells its own failures; a panic must not take the thread with it.
    drop(catch_unwind(AssertUnwindSafe(job)));
  }
}

pub fn run(job: impl FnOnce() + Send + 'static) {
  let pool = pool();
  let mut jobs = pool.jobs.lock().unwrap_or_else(PoisonError::into_inner);
  jobs.push_back(Box::new(job));
  drop(jobs);
  pool.is_there.notify_one();
}
