//! All histories of a small fleet, shortest first, each state once.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::promises::{beyond, broken, settled};
use crate::steps::Step;
use crate::world::{Bounds, World};

/// What was found.
#[derive(Debug)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    pub(crate) depth: usize,
}

struct Explorer<'a> {
    bounds: &'a Bounds,
    seen: HashMap<u64, u32>,
    /// How each state was first reached.
    from: Vec<(u32, Step, bool)>,
    /// Free steps: from, to.
    free: Vec<(u32, u32)>,
    /// States in which all is well: every task has ended, or the history is not followed further.
    good: Vec<u32>,
}

/// Explores; panics with the shortest history that breaks a promise, or after which the fleet is stuck.
pub(crate) fn explore(bounds: &Bounds) -> Explored {
    let mut explorer =
        Explorer { bounds, seen: HashMap::new(), from: Vec::new(), free: Vec::new(), good: Vec::new() };
    let first = World::new(bounds);
    explorer.meet(&first, (0, Step::Arrives { message: 0 }, false));
    let mut frontier = vec![(0, first)];
    let (mut steps, mut depth) = (0, 0);
    while !frontier.is_empty() {
        let mut next = Vec::new();
        for (index, world) in frontier {
            if beyond(&world, bounds) || settled(&world, bounds) {
                explorer.good.push(index);
            }
            if beyond(&world, bounds) {
                continue;
            }
            for (step, costs) in world.steps(bounds) {
                steps += 1;
                let after = world.after(step, costs, bounds);
                let (met, new) = explorer.meet(&after, (index, step, costs));
                if let Some(promise) = broken(&world, &after, bounds) {
                    let history = explorer.history(index, Some((step, costs)));
                    panic!("{promise}, after these steps:\n{history}");
                }
                if !costs {
                    explorer.free.push((index, met));
                }
                if new {
                    next.push((met, after));
                }
            }
        }
        frontier = next;
        depth += 1;
    }
    explorer.find_stuck();
    Explored { states: explorer.from.len(), steps, depth }
}

impl Explorer<'_> {
    /// The number of a state, and whether it is new.
    fn meet(&mut self, world: &World, how: (u32, Step, bool)) -> (u32, bool) {
        let mut hasher = DefaultHasher::new();
        world.hash(&mut hasher);
        let new = self.from.len() as u32;
        let met = *self.seen.entry(hasher.finish()).or_insert(new);
        if met == new {
            self.from.push(how);
        }
        (met, met == new)
    }

    /// From every state the fleet gets to a good one by itself, without another fault.
    fn find_stuck(&self) {
        let mut back: Vec<Vec<u32>> = vec![Vec::new(); self.from.len()];
        for (from, to) in &self.free {
            back[*to as usize].push(*from);
        }
        let mut well = vec![false; self.from.len()];
        let mut open = self.good.clone();
        while let Some(state) = open.pop() {
            if !std::mem::replace(&mut well[state as usize], true) {
                open.extend(&back[state as usize]);
            }
        }
        if let Some(stuck) = well.iter().position(|well| !well) {
            panic!(
                "no end can be reached any more (I2), after these steps:\n{}",
                self.history(stuck as u32, None)
            );
        }
    }

    /// The shortest history to a state, and one step more, in words.
    fn history(&self, mut state: u32, last: Option<(Step, bool)>) -> String {
        let mut steps: Vec<_> = last.into_iter().collect();
        while state != 0 {
            let (before, step, costs) = self.from[state as usize];
            steps.push((step, costs));
            state = before;
        }
        let mut world = World::new(self.bounds);
        let mut told = String::new();
        for (n, (step, costs)) in steps.into_iter().rev().enumerate() {
            let what = match step {
                Step::Arrives { message }
                | Step::ArrivesAndIsCopied { message }
                | Step::IsDropped { message } => format!("{step:?}: {:?}", world.network[message]),
                _ => format!("{step:?}"),
            };
            told += &format!("{:3}. {}{what}\n", n + 1, if costs { "FAULT " } else { "" });
            world = world.after(step, costs, self.bounds);
        }
        told + &format!("then: {:#?}", world.tasks)
    }
}
