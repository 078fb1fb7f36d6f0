//! The order in which features are installed.

use std::collections::BTreeMap;

use super::{Problem, error::Result, metadata::Metadata, source};

/// A feature as the order sees it.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) id: &'a str,
    pub(super) base: &'a str,
    pub(super) metadata: &'a Metadata,
}

/// The positions of the features, each after those that it needs and those that it wants before it; where that leaves
/// a choice, by id.
pub(super) fn order(nodes: &[Node<'_>]) -> Result<Vec<usize>> {
    let positions: BTreeMap<&str, usize> = nodes.iter().enumerate().map(|(i, node)| (node.base, i)).collect();
    let at = |id: &String| source::base_of(id).and_then(|base| positions.get(base.as_str()).copied());
    let needs: Vec<Vec<usize>> =
        nodes.iter().map(|node| node.metadata.depends_on.keys().filter_map(at).collect()).collect();
    let before: Vec<Vec<usize>> = nodes
        .iter()
        .zip(&needs)
        .map(|(node, needs)| {
            node.metadata.installs_after.iter().filter_map(at).chain(needs.iter().copied()).collect()
        })
        .collect();
    sort(nodes, &before).map_err(|waiting| {
        let field = if sort(nodes, &needs).is_err() { "dependsOn" } else { "installsAfter" };
        Problem::Cycle { field, ids: waiting.into_iter().map(|i| nodes[i].id.to_owned()).collect() }
    })
}

/// Takes the first that waits for nobody, again and again; those that are left wait for each other.
fn sort(nodes: &[Node<'_>], before: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut waiting: Vec<usize> = (0..nodes.len()).collect();
    waiting.sort_by_key(|&i| nodes[i].id);
    let mut done = Vec::with_capacity(nodes.len());
    while !waiting.is_empty() {
        let Some(next) = waiting.iter().position(|&i| before[i].iter().all(|other| done.contains(other)))
        else {
            return Err(waiting);
        };
        done.push(waiting.remove(next));
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Features `x/a` and so on, with the indexes of those before them.
    fn ordered(after: &[Vec<usize>], needs: &[Vec<usize>]) -> Result<Vec<usize>> {
        let name = |i: &usize| format!("x/{}", char::from(b'a' + u8::try_from(*i).unwrap()));
        let metadata: Vec<Metadata> = after
            .iter()
            .zip(needs)
            .map(|(after, needs)| {
                let after: Vec<String> =
                    after.iter().map(|i| format!("{}:9", name(i))).chain(["x/other".into()]).collect();
                let needs: BTreeMap<String, _> = needs.iter().map(|i| (name(i), json!({}))).collect();
                Metadata::parse(&json!({"installsAfter": after, "dependsOn": needs}).to_string()).unwrap()
            })
            .collect();
        let ids: Vec<String> = (0..after.len()).map(|i| format!("{}:1", name(&i))).collect();
        let bases: Vec<String> = ids.iter().map(|id| source::base_of(id).unwrap()).collect();
        let nodes: Vec<Node> = metadata
            .iter()
            .enumerate()
            .map(|(i, metadata)| Node { id: &ids[i], base: &bases[i], metadata })
            .collect();
        order(&nodes)
    }

    #[test]
    fn a_cycle_is_said() {
        let none = || vec![vec![]; 3];
        assert_eq!(ordered(&none(), &none()).unwrap(), [0, 1, 2]);
        assert_eq!(ordered(&[vec![2], vec![], vec![1]], &none()).unwrap(), [1, 2, 0]);
        let error = ordered(&[vec![1], vec![0], vec![]], &none()).unwrap_err();
        assert_eq!(error.to_string(), "cycle detected in feature installsAfter dependencies");
        assert!(matches!(error, Problem::Cycle { ids, .. } if ids == ["x/a:1", "x/b:1"]));
        let error = ordered(&none(), &[vec![1], vec![0], vec![]]).unwrap_err();
        assert_eq!(error.to_string(), "cycle detected in feature dependsOn dependencies");
    }

    fn edges() -> impl Strategy<Value = Vec<Vec<usize>>> {
        prop::collection::vec(prop::collection::vec(0usize..7, 0..2), 7)
    }

    proptest! {
        #[test]
        fn everything_comes_once_and_after_what_it_waits_for(after in edges(), needs in edges(), acyclic: bool) {
            let below = |edges: Vec<Vec<usize>>| -> Vec<Vec<usize>> {
                let keep = |(i, list): (usize, Vec<usize>)| list.into_iter().filter(|&j| !acyclic || j < i).collect();
                edges.into_iter().enumerate().map(keep).collect()
            };
            let (after, needs) = (below(after), below(needs));
            let Ok(order) = ordered(&after, &needs) else {
                prop_assert!(!acyclic);
                return Ok(());
            };
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..7).collect::<Vec<_>>());
            let place = |i: usize| order.iter().position(|&j| j == i).unwrap();
            for i in 0..7 {
                prop_assert!(after[i].iter().chain(&needs[i]).all(|&j| place(j) < place(i)));
            }
        }
    }
}
