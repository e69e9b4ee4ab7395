//! Whether a value satisfies a subschema, without a list of what is wrong.

use serde_json::Value;

use super::{Alternatives, Walker};
use crate::domain::schema::graph::{Applies, Node};

impl<'a> Walker<'a> {
    /// Whether `value` satisfies a subschema, as far as the walker understands it.
    pub(super) fn holds(&mut self, index: usize, value: &Value, depth: u32) -> Option<bool> {
        let node = &self.graph.nodes[index];
        self.pay(node, value, depth)?;
        let leaf = node.leaf(self.graph.draft);
        if node.constant == Some(false) || leaf.is_some_and(|leaf| !leaf.is_valid(value)) {
            return Some(false);
        }
        let (mut any, mut one) = (Alternatives::default(), Alternatives::default());
        for edge in &node.in_place {
            let holds = match edge.applies {
                Applies::All => self.holds(edge.to, value, depth + 1)?,
                Applies::Not => !self.holds(edge.to, value, depth + 1)?,
                Applies::Dependent if value.get(&edge.name).is_some() => {
                    self.holds(edge.to, value, depth + 1)?
                }
                Applies::Any => self.count(&mut any, edge, value, depth + 1).map(|()| true)?,
                Applies::One => self.count(&mut one, edge, value, depth + 1).map(|()| true)?,
                _ => true,
            };
            if !holds {
                return Some(false);
            }
        }
        if any.total > 0 && any.hold == 0 || one.total > 0 && one.hold != 1 {
            return Some(false);
        }
        for edge in self.branch(node, value, depth + 1)? {
            if !self.holds(edge.to, value, depth + 1)? {
                return Some(false);
            }
        }
        self.children_hold(node, value, depth + 1)
    }

    fn children_hold(&mut self, node: &'a Node, value: &Value, depth: u32) -> Option<bool> {
        match value {
            Value::Array(items) => self.items_hold(node, items, depth),
            Value::Object(members) => {
                for (name, member) in members {
                    for (applies, to) in self.for_member(node, name)? {
                        let holds = match applies {
                            Applies::Names => self.holds(to, &name.as_str().into(), depth)?,
                            _ => self.holds(to, member, depth)?,
                        };
                        if !holds {
                            return Some(false);
                        }
                    }
                }
                Some(true)
            }
            _ => Some(true),
        }
    }

    fn items_hold(&mut self, node: &'a Node, items: &[Value], depth: u32) -> Option<bool> {
        let prefix = node.prefix();
        for edge in &node.items {
            let mut matching = 0;
            let looked_at = match edge.applies {
                Applies::Prefix(index) => items.get(index..=index).unwrap_or_default(),
                Applies::Items => items.get(prefix..).unwrap_or_default(),
                Applies::Contains => items,
                _ => continue,
            };
            for item in looked_at {
                let holds = self.holds(edge.to, item, depth)?;
                matching += u64::from(holds);
                if !holds && edge.applies != Applies::Contains {
                    return Some(false);
                }
            }
            let (least, most) = node.contains;
            let counted = edge.applies == Applies::Contains;
            if counted && (matching < least || most.is_some_and(|most| matching > most)) {
                return Some(false);
            }
        }
        Some(true)
    }
}
