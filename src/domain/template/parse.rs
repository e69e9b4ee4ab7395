//! From text to the tree of what is allowed.

use minijinja::{
    machinery::{
        Span, Token,
        ast::{self, BinOpKind, CallArg, CompareOpKind, UnaryOpKind},
        parse, tokenize,
    },
    syntax::SyntaxConfig,
    value::ValueKind,
};
use serde_json::{Number, Value};

use super::{
    MAX_TEMPLATE, TemplateFault,
    filter::{Filter, Test},
    shape::Shape,
    tree::{Comparison, Expr, Loop, LoopFact, Node},
};

/// Tokens between the braces of one tag. The reader recurses over some of them.
const MAX_TOKENS: usize = 200;
/// How many `elif` a template may have: the reader recurses over them.
const MAX_ELIFS: usize = 100;
/// How much of a name an error repeats, in characters.
const ECHO: usize = 40;

type Result<T> = std::result::Result<T, TemplateFault>;

/// Reads a template; says also whether it uses its input.
pub(super) fn template(text: &str, input: Option<&Value>) -> Result<(Vec<Node>, bool)> {
    if text.len() > MAX_TEMPLATE {
        let most = MAX_TEMPLATE >> 10;
        return Err(fault(1, format!("a template must be at most {most} KiB long")));
    }
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    let syntax = syntax.map_err(|error| unreadable(&error))?;
    measure(text, &syntax)?;
    let read = parse(text, "", syntax).map_err(|error| unreadable(&error))?;
    let ast::Stmt::Template(read) = read else {
        return Err(fault(1, "this is no template".to_owned()));
    };
    let mut reader = Reader { input: Shape::of(input), names: Vec::new(), loops: 0, uses: false };
    let nodes = reader.nodes(&read.children)?;
    Ok((nodes, reader.uses))
}

/// Refuses what the reader, which recurses, could not bear.
fn measure(text: &str, syntax: &SyntaxConfig) -> Result<()> {
    let (mut tokens, mut elifs) = (0, 0);
    for token in tokenize(text, false, syntax.clone()) {
        let (token, span) = token.map_err(|error| unreadable(&error))?;
        let line = usize::from(span.start_line);
        match token {
            Token::VariableStart | Token::BlockStart | Token::TemplateData(_) => tokens = 0,
            Token::Ident("elif") => elifs += 1,
            _ => {}
        }
        tokens += 1;
        if tokens > MAX_TOKENS {
            let message =
                format!("what stands between braces must have at most {MAX_TOKENS} parts");
            return Err(fault(line, message));
        }
        if elifs > MAX_ELIFS {
            return Err(fault(line, format!("a template must have at most {MAX_ELIFS} elif")));
        }
    }
    Ok(())
}

struct Reader<'s> {
    /// What `input` may be.
    input: Shape<'s>,
    /// The names of the loops around, and what they may be.
    names: Vec<(String, Shape<'s>)>,
    loops: usize,
    uses: bool,
}

impl<'s> Reader<'s> {
    fn nodes(&mut self, found: &[ast::Stmt<'_>]) -> Result<Vec<Node>> {
        found.iter().map(|statement| self.node(statement)).collect()
    }

    fn node(&mut self, found: &ast::Stmt<'_>) -> Result<Node> {
        let (what, span) = match found {
            ast::Stmt::EmitRaw(raw) => return Ok(Node::Text(raw.raw.to_owned())),
            ast::Stmt::EmitExpr(shown) => return Ok(Node::Show(self.value(&shown.expr)?)),
            ast::Stmt::IfCond(it) => {
                let test = self.value(&it.expr)?;
                let then = self.nodes(&it.true_body)?;
                return Ok(Node::If(test, then, self.nodes(&it.false_body)?));
            }
            ast::Stmt::ForLoop(it) => return self.repeat(it, it.span()),
            ast::Stmt::WithBlock(it) => ("with", it.span()),
            ast::Stmt::Set(it) => ("set", it.span()),
            ast::Stmt::SetBlock(it) => ("set", it.span()),
            ast::Stmt::AutoEscape(it) => ("autoescape", it.span()),
            ast::Stmt::FilterBlock(it) => ("filter", it.span()),
            ast::Stmt::Do(it) => ("do", it.span()),
            ast::Stmt::Macro(it) => ("macro", it.span()),
            ast::Stmt::CallBlock(it) => ("call", it.span()),
            ast::Stmt::Template(it) => ("template", it.span()),
        };
        Err(at(span, format!("`{what}` is not allowed; of statements there are `if` and `for`")))
    }

    fn repeat(&mut self, found: &ast::ForLoop<'_>, span: Span) -> Result<Node> {
        if found.recursive || found.filter_expr.is_some() {
            let message = "a `for` must be neither recursive nor have an `if` of its own; put an \
                           `if` inside the loop";
            return Err(at(span, message.to_owned()));
        }
        let names = loop_names(&found.target)?;
        let (over, shape) = self.expr(&found.iter)?;
        let outer = self.names.len();
        let items = if names.len() == 1 { shape.items() } else { Shape::unknown() };
        self.names.extend(names.iter().map(|name| (name.clone(), items)));
        self.loops += 1;
        let body = self.nodes(&found.body);
        self.loops -= 1;
        self.names.truncate(outer);
        let (body, otherwise) = (body?, self.nodes(&found.else_body)?);
        Ok(Node::For(Box::new(Loop { names, over, body, otherwise })))
    }

    fn value(&mut self, found: &ast::Expr<'_>) -> Result<Expr> {
        self.expr(found).map(|(expr, _)| expr)
    }

    fn boxed(&mut self, found: &ast::Expr<'_>) -> Result<Box<Expr>> {
        self.value(found).map(Box::new)
    }

    fn expr(&mut self, found: &ast::Expr<'_>) -> Result<(Expr, Shape<'s>)> {
        let expr = match found {
            ast::Expr::Var(name) => return self.name(name.id, name.span()),
            ast::Expr::GetAttr(it) => return self.attribute(it, it.span()),
            ast::Expr::GetItem(it) => return self.item(it, it.span()),
            ast::Expr::Const(it) => Expr::Constant(constant(&it.value, it.span())?),
            ast::Expr::List(it) => Expr::Constant(list(&it.items)?),
            ast::Expr::UnaryOp(it) => self.unary(it, it.span())?,
            ast::Expr::BinOp(it) => self.binary(it, it.span())?,
            ast::Expr::Compare(it) => {
                let first = self.boxed(&it.expr)?;
                let others =
                    it.ops.iter().map(|op| Ok((Comparison::of(op.op), self.value(&op.expr)?)));
                Expr::Compare(first, others.collect::<Result<_>>()?)
            }
            ast::Expr::IfExpr(it) => {
                let Some(otherwise) = &it.false_expr else {
                    return Err(at(it.span(), "an `if` within a value needs an `else`".to_owned()));
                };
                let (test, then) = (self.value(&it.test_expr)?, self.value(&it.true_expr)?);
                Expr::Choice(Box::new([test, then, self.value(otherwise)?]))
            }
            ast::Expr::Filter(it) => self.filter(it, it.span())?,
            ast::Expr::Test(it) => self.test(it, it.span())?,
            ast::Expr::Slice(_) | ast::Expr::Call(_) | ast::Expr::Tuple(_) | ast::Expr::Map(_) => {
                let what = found.description();
                let message = format!("a {what} is not allowed here; use names, filters and tests");
                return Err(at(found.span(), message));
            }
        };
        Ok((expr, Shape::unknown()))
    }

    fn name(&mut self, name: &str, span: Span) -> Result<(Expr, Shape<'s>)> {
        let known = self.names.iter().rev().find(|(known, _)| known == name);
        let shape = match known {
            Some((_, shape)) => *shape,
            None if name == "input" => {
                self.uses = true;
                self.input
            }
            None => {
                let name = clip(name);
                let message = format!("`{name}` is not defined; a template knows `input` alone");
                return Err(at(span, message));
            }
        };
        Ok((Expr::Name(name.to_owned()), shape))
    }

    fn attribute(&mut self, found: &ast::GetAttr<'_>, span: Span) -> Result<(Expr, Shape<'s>)> {
        if let ast::Expr::Var(of) = &found.expr
            && of.id == "loop"
            && self.loops > 0
        {
            return Ok((Expr::Loop(loop_fact(found.name, span)?), Shape::unknown()));
        }
        let (of, shape) = self.expr(&found.expr)?;
        let shape = member(shape, found.name, &of, span)?;
        let name = Expr::Constant(Value::from(found.name));
        Ok((Expr::Member(Box::new([of, name])), shape))
    }

    fn item(&mut self, found: &ast::GetItem<'_>, span: Span) -> Result<(Expr, Shape<'s>)> {
        let (of, shape) = self.expr(&found.expr)?;
        let key = self.value(&found.subscript_expr)?;
        let shape = match &key {
            Expr::Constant(Value::String(name)) => member(shape, name, &of, span)?,
            Expr::Constant(Value::Number(_)) => shape.items(),
            _ => Shape::unknown(),
        };
        Ok((Expr::Member(Box::new([of, key])), shape))
    }

    fn unary(&mut self, found: &ast::UnaryOp<'_>, span: Span) -> Result<Expr> {
        let of = self.value(&found.expr)?;
        match (&found.op, of) {
            (UnaryOpKind::Not, of) => Ok(Expr::Not(Box::new(of))),
            (UnaryOpKind::Neg, Expr::Constant(Value::Number(number))) => {
                let negated = number.as_i64().and_then(i64::checked_neg).map(Number::from);
                let negated = negated.or_else(|| Number::from_f64(-number.as_f64()?));
                let negated = negated.ok_or_else(|| at(span, "this number is too large".into()))?;
                Ok(Expr::Constant(Value::Number(negated)))
            }
            (UnaryOpKind::Neg, _) => Err(at(span, NO_ARITHMETIC.to_owned())),
        }
    }

    fn binary(&mut self, found: &ast::BinOp<'_>, span: Span) -> Result<Expr> {
        let left = self.value(&found.left)?;
        let right = self.value(&found.right)?;
        let comparison = match found.op {
            BinOpKind::ScAnd => return Ok(Expr::And(Box::new([left, right]))),
            BinOpKind::ScOr => return Ok(Expr::Or(Box::new([left, right]))),
            BinOpKind::Eq => CompareOpKind::Eq,
            BinOpKind::Ne => CompareOpKind::Ne,
            BinOpKind::Lt => CompareOpKind::Lt,
            BinOpKind::Lte => CompareOpKind::Lte,
            BinOpKind::Gt => CompareOpKind::Gt,
            BinOpKind::Gte => CompareOpKind::Gte,
            BinOpKind::In => CompareOpKind::In,
            BinOpKind::Add
            | BinOpKind::Sub
            | BinOpKind::Mul
            | BinOpKind::Div
            | BinOpKind::FloorDiv
            | BinOpKind::Rem
            | BinOpKind::Pow
            | BinOpKind::Concat => return Err(at(span, NO_ARITHMETIC.to_owned())),
        };
        let comparison = Comparison::of(comparison);
        Ok(Expr::Compare(Box::new(left), vec![(comparison, right)]))
    }

    fn filter(&mut self, found: &ast::Filter<'_>, span: Span) -> Result<Expr> {
        let filter = Filter::parse(found.name).ok_or_else(|| {
            let (name, known) = (clip(found.name), Filter::names());
            at(span, format!("there is no filter `{name}`; there are {known}"))
        })?;
        let Some(of) = &found.expr else {
            return Err(at(span, "a filter needs a value before it".to_owned()));
        };
        let (of, mut arguments) = (self.boxed(of)?, Vec::new());
        for argument in &found.args {
            let CallArg::Pos(argument) = argument else {
                return Err(at(span, "filters take no named arguments".to_owned()));
            };
            arguments.push(self.value(argument)?);
        }
        if !filter.arguments().contains(&arguments.len()) {
            let (least, most) = filter.arguments().into_inner();
            let name = found.name;
            let message = format!("the filter `{name}` takes {least} to {most} arguments");
            return Err(at(span, message));
        }
        Ok(Expr::Filter(filter, of, arguments.pop().map(Box::new)))
    }

    fn test(&mut self, found: &ast::Test<'_>, span: Span) -> Result<Expr> {
        let test = Test::parse(found.name).filter(|_| found.args.is_empty()).ok_or_else(|| {
            let (name, known) = (clip(found.name), Test::names());
            at(
                span,
                format!("there is no such test `{name}`; there are {known}, without arguments"),
            )
        })?;
        Ok(Expr::Test(test, self.boxed(&found.expr)?))
    }
}

const NO_ARITHMETIC: &str = "a template does no arithmetic and joins no texts; write values one after \
                             the other, or compute them before";

/// The shape of a member, or that it is not declared.
fn member<'s>(of: Shape<'s>, name: &str, place: &Expr, span: Span) -> Result<Shape<'s>> {
    of.member(name).ok_or_else(|| {
        let (place, name) = (clip(&place.words()), clip(name));
        at(span, format!("`{place}.{name}` is not declared; declare it in input_schema"))
    })
}

fn loop_fact(name: &str, span: Span) -> Result<LoopFact> {
    LoopFact::parse(name).ok_or_else(|| {
        let known = LoopFact::names();
        at(span, format!("there is no `loop.{}`; there are {known}", clip(name)))
    })
}

fn loop_names(target: &ast::Expr<'_>) -> Result<Vec<String>> {
    let targets = match target {
        ast::Expr::List(list) => list.items.iter().collect(),
        one => vec![one],
    };
    let name = |target: &ast::Expr<'_>| match target {
        ast::Expr::Var(name) if name.id != "input" => Ok(name.id.to_owned()),
        other => {
            let message = "the items of a loop need a name each, and not `input`";
            Err(at(other.span(), message.to_owned()))
        }
    };
    targets.into_iter().map(name).collect()
}

/// A list of constants, such as `["a", "b"]`.
fn list(items: &[ast::Expr<'_>]) -> Result<Value> {
    let items = items.iter().map(|item| match item {
        ast::Expr::Const(it) => constant(&it.value, it.span()),
        other => Err(at(other.span(), "a list may hold constants alone".to_owned())),
    });
    items.collect::<Result<_>>().map(Value::Array)
}

fn constant(value: &minijinja::Value, span: Span) -> Result<Value> {
    let converted = match value.kind() {
        ValueKind::None => Some(Value::Null),
        ValueKind::Bool => Some(Value::Bool(value.is_true())),
        ValueKind::String => value.as_str().map(Value::from),
        _ if value.is_integer() => u64::try_from(value.clone()).ok().map(Value::from),
        _ => f64::try_from(value.clone()).ok().and_then(Number::from_f64).map(Value::Number),
    };
    converted.ok_or_else(|| at(span, "this constant is too large".to_owned()))
}

fn unreadable(error: &minijinja::Error) -> TemplateFault {
    let what = error.detail().unwrap_or("the template cannot be read");
    fault(error.line().unwrap_or(1), what.chars().take(200).collect())
}

fn at(span: Span, message: String) -> TemplateFault {
    fault(usize::from(span.start_line), message)
}

fn fault(line: usize, message: String) -> TemplateFault {
    TemplateFault { line, message }
}

fn clip(text: &str) -> String {
    text.chars().take(ECHO).collect()
}
