"""Check names and prose against the project's vocabulary; ``make lint`` runs this script.

    python tests/words.py             # every finding as FILE:LINE: WORD -> REPLACEMENT
    python tests/words.py --count     # findings by package

Names are looked up in the syntax tree (definitions, fields, parameters, keywords, recipe keys,
columns, options), because most of them are also ordinary words. Phrases are matched in docstrings,
other strings, comments, Markdown and YAML comments. Arguments of ``seed_for`` and ``generator``
are exempt: seeds are hashes of these words.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
SOURCES = ("scgnn", "docs", "benchmarks", "tests", "recipes")
NOT_CHECKED = (
    "tests/words.py",
    "tests/test_words.py",
    "tests/data/scgnn/",
    "docs/_build/",
    "docs/components/",
)


def _table(text: str) -> dict[str, str]:
    """Parse ``old new`` pairs separated by semicolons."""
    pairs = (entry.split(maxsplit=1) for entry in text.replace("\n", " ").split(";"))
    return {old: new for old, new in filter(None, pairs)}


CLASSES = _table("""
Pass EmbeddingPipeline; Turn IterationContext; Round Snapshot; Fitted AutoencoderFit;
Start WarmStart; Embedded GraphAutoencoderFit; Rebuilt LazyReconstruction; Prepared PreparedData;
Answers ImputationTargets; Obtained StageResult; Kept CachedValue; Store StageCache;
Result RunResult; Finished RunSummary; Prepare DataCache; Foreseen StagePlan;
Rehearsal DryRunStages; Answer StudyTables; Board StudyProgress; Elsewhere DaskStages;
Divided ShardedStages; Share MatrixShard or Fraction; Place SourceLocation or ShardRange;
Counted GivenK or NegativeBinomialParameters; Uncounted AutomaticK;
Observed SortedExpression or NonzeroError; Attentive MultiHead; Hopping MultiHop;
Alone NodewiseLinear; Rebuild DenseDecoderNetwork; MLP MLPEncoder or MLPDecoder;
Given InMemory; Awake ActiveSubnetwork; Late LazyModule; Summit Optimum; Climbers OptimizerState;
Verdict OrientationGuess; Offer EntryPointComponent; Diverged DivergenceError;
Broken CheckFailedError; Interrupted RunInterruptedError; Evidence EStep; Below CensoredMoments;
Sample PaddedGenes; Samples PaddedGenes; Layers DenseDecoder; Counting CountDecoderNetwork;
ZeroInflated ZeroInflatedNegativeBinomial; Unchanged IdentityNetwork; Posterior GaussianPosterior;
Found NeighborSearchResult; Near Neighborhood; Sheet TextTable; Trace RunHistory;
Part ShardReader; Known PrecomputedWeights; Order TrainingTask; OnDemand LazyMatrix;
Steady SafeStream; Stop StoppingRule; Positive PositiveInt; Natural NonNegativeInt;
Rate PositiveFloat; Weight NonNegativeFloat; ProperShare ProperFraction; OpenShare OpenFraction
""")
FUNCTIONS = _table("""
note record; trail cluster_history; standing convergence; without_old_graphs
drop_intermediate_graphs; clustered_again recluster; without_small threshold_imputed;
imputed impute; chosen select_clusterer; seen select_inputs; at_work active_regularizers;
discretize fit_ltmg_states; always_zero count_zero_columns; judged add_verdicts;
compared compare_pairs; anywhere all_reduce_any; summed all_reduce_sum; largest all_reduce_max;
scattered scatter; gathered gather; together is_distributed; lend serve_worker; foresee preflight;
expected format_estimate; strangers third_party_components; probed ensure_writable;
write_whole write_atomic; blamed attribute_errors; examine diagnose_environment; located
resolve_path; opened open_maybe_gzip; validated validate; whole to_dense; put_back restore;
named get; plant from_plain; finish build_recipe; changed apply_changes; wanted describe_type;
glance summary_table; demand require; use exercise; suits validate_encoder; takes_part is_active;
divide _fit_given_k; obtain get_or_compute; package_version code_fingerprint; outside_sources
third_party_sources; is_own is_builtin; label_of stage_label; memory_there_is memory_limit;
keep_freed_memory set_malloc_thresholds; listening use_progress; begin on_stage_start;
end on_stage_end; size world_size; joined init_process_group; in_step synchronized;
own_seed rank_seed; late lazy_import; bytes_of parse_size; nearest kneighbors;
within radius_neighbors; smooth_widths smooth_knn_dist; symmetric symmetrize; tidy canonicalize;
canonical relabel_by_size; nearest_small reassign_small; quiet suppress_warnings;
coarsened coarsen; jittered add_jitter; climb maximize_likelihood; unseen censored;
observe sort_expression; hand_out to_states; signal_model ltmg_model; in_phase active_in;
without_edges hold_out_edges; with_answers prepare_imputation_targets; imputed_scores
score_imputation; nested unflatten_scores; flat flatten_scores; with_base resolve_base;
plain to_plain; brief format_inline; parts iter_components; dump to_dict;
detectable minimum_detectable_effect; unstacked pivot; rendered render;
reading translate_read_errors; deaf_to_ctrl_c ignore_sigint
""")
CONSTANTS = _table("""
HOPE (after what it holds); BOLD (after what it holds); GOODBYE (after what it holds);
HEARD (after what it holds); WAITS (after what it holds); TWINS DUPLICATE_CELLS;
AHEAD RUNS_PER_WORKER; ALONE (after what it holds); LONE ISOLATED_CELL
""")
VARIABLES = _table("""
found result; said message; there existing; kept mask; each item; own (what it is);
whole full; told message; thing value; heard neighbors; asked requested; given inputs; here current
""")
FIELDS = _table("""
signal ltmg_states; fidelity reconstruction_weight; held_out validation_fraction;
min_cell_share min_cell_fraction; min_gene_share min_gene_fraction; keep_genes n_top_genes;
iterate_on iteration_target; graph_neighbours graph_fanout; edge_holdout edge_holdout_fraction;
sds n_std; trees n_estimators; nearby n_neighbors; ridge reg_covar; teleport alpha;
final_labels final_clusters; imputed_as imputed_format; k_factor n_clusters_factor;
k_smoothing n_clusters_smoothing; zero_below imputation_threshold;
cluster_start cluster_initialization; marker_share marker_fraction; trail cluster_history;
smallest_detectable minimum_detectable_effect; needed_blocks min_blocks;
stopped_because stop_reason; stopped stop_reason; neighbours neighbors;
cluster_reconstruction cluster_reconstruction_weight
""")
CLASS_FIELDS = {  # fields whose names are ordinary words elsewhere
    "components/clusterers/": _table(
        "k n_clusters; iterations n_iterations; starts n_init; covariance covariance_type;"
        "quality objective; selection cluster_selection_method; leaves min_leaves_per_cluster;"
        "dimensions n_pcs"
    ),
    "components/graph_builders/": _table("k n_neighbors"),
    "components/pruners.py": _table("k n_neighbors"),
    "components/decoders/": _table("block block_size; pairs n_negative; edges max_edges"),
    "components/regularizers/": _table("pairs n_pairs"),
    "components/encoders/": _table("initial alpha; decay lambda_"),
    "components/stopping.py": _table("ari min_ari; change tolerance"),
    "components/transforms.py": _table("n n_top_genes; by flavor; at_least inclusive"),
    "components/readers/demo.py": _table("cells n_cells; genes n_genes; groups n_groups"),
    "pipelines/": _table("impute imputation"),
    "training/": _table("patience early_stopping_patience"),
    "recipe/": _table(
        "labels labels_key; batch batch_key; holdout holdout_fraction; "
        "thinning thinning_fraction; permuted permuted_gene_fraction; truth truth_path"
    ),
    "state.py": _table("labels clusters"),
}
KEYS = _table("""
data.labels data.labels_key; data.batch data.batch_key; data.holdout data.holdout_fraction;
data.thinning data.thinning_fraction; data.permuted data.permuted_gene_fraction;
data.truth data.truth_path; pipeline.impute pipeline.imputation; clusterer.k clusterer.n_clusters;
final_clusterer.k final_clusterer.n_clusters; graph_builder.k graph_builder.n_neighbors;
training.patience training.early_stopping_patience; decoder.block decoder.block_size;
decoder.pairs decoder.n_negative; decoder.edges decoder.max_edges; reader.cells reader.n_cells;
reader.genes reader.n_genes; reader.groups reader.n_groups; stop.ari stop.min_ari;
stop.change stop.tolerance
""")
COLUMNS = _table("""
spread sd_difference; low ci_low; high ci_high; smallest_detectable minimum_detectable_effect;
needed_blocks min_blocks; stopped_because stop_reason; imputation_controls imputation_baselines
""")
COMPONENTS = _table("""
given in_memory; ltmg01 ltmg_binary; mean_sd mean_std; observed nonzero_error; labels clusters;
both all_of; either any_of; none null
""")
VALUES = _table("""
scgnn_alive scgnn_no_dead_units; graph_sc gae; last_iteration previous_iteration;
batch_balanced bbknn
""")
OPTIONS = _table("--store --cache-dir; --limit --cache-size; --labels --labels-key;"
                 "--batch --batch-key")  # fmt: skip
MODULES = _table("""
awake active_subnetwork; exchange collectives; ranks process_group; words vocabulary;
utils (after what it holds); helpers (after what it holds); manager (after what it holds);
base contract; types field_types; statistics stats
""")
PHRASES = {
    r"\b(?:an?|the|this|its|of|same|given) shares?\b(?! (?:an?|one|the|their))":
        "fraction",
    r"\bshares? of\b": "fraction of",
    r"\banew\b": "again, re-initialized",
    r"\b(?:says?|said|saying)\b": "prints, reports, states",
    r"\bst(?:and|ands|ood|anding) still\b": "has converged",
    r"\b(?:wakes?|awake|asleep)\b": "active, inactive",
    r"\b(?:it|that|which|unit|units|gene|genes|what) rests?\b": "is inactive",
    r"\bcome(?:s)? to rest\b": "converge",
    r"\bhears?\b|\bheard\b": "receives messages from",
    r"\b(?:told|tells?|tell) (?:\w+ )?apart\b": "distinguished",
    r"\b(?:goes|go|going|went) on\b": "resumes, continues",
    r"\ba person\b": "the user",
    r"\bstrangers?\b|\bstranger's\b": "third party",
    r"\b(?:held|holds?|hold) (?:\w+ ){0,2}to (?:the|its|every|all|a|them|it|rules?)\b":
        "regularized by, tested against",
    r"\bwork(?:s|ed) out\b": "derived",
    r"\b(?:put|puts|set) right\b": "fix",
    r"\bso many\b": "n",
    r"\btwins?\b": "duplicates",
    r"(?<!there )\b(?:is|was) no (?!longer|farther|further|more|less|need|such|one\b|\w+er\b)\w+":
        "is not a",
    r"\bnone of which\b|\bone of which\b": "(two sentences)",
    r"\bthe floor\b": "baseline",
    r"\bto the same bits?\b|\bsame bits\b": "bit-identical",
    r"\banyhow\b": "anyway",
    r"\bstand(?:s)? for\b": "means, denotes",
    r"\bwhat was said\b": "log",
    r"\bworth the while\b": "worthwhile",
    r"\btakes part\b": "is active, contributes",
    r"\bhand(?:s|ed)? (?:over|on)\b": "pass",
    r"\bis there already\b": "already exists",
    r"\bnothing but\b": "only",
}  # fmt: skip
OPENINGS = re.compile(r"(?:What|How|Where|Who|When|Why|Which|Whether)\b")

_PHRASE = re.compile("|".join(f"(?P<p{i}>{p})" for i, p in enumerate(PHRASES)), re.IGNORECASE)
_REPLACEMENTS = list(PHRASES.values())


class Finding(NamedTuple):
    """A replaced name or phrase, and what to write instead."""

    path: str
    line: int
    word: str
    replacement: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.word} -> {self.replacement}"


def check_text(path: str, text: str, first_line: int = 1) -> Iterator[Finding]:
    """Yield the replaced phrases in prose."""
    for match in _PHRASE.finditer(text):
        i = int((match.lastgroup or "p0")[1:])
        line = first_line + text.count("\n", 0, match.start())
        yield Finding(path, line, " ".join(match[0].split()), _REPLACEMENTS[i])


def check_keys(path: str, text: str, first_line: int = 1) -> Iterator[Finding]:
    """Yield replaced recipe keys in dotted paths, and replaced options, of a string."""
    for match in re.finditer(r"--[a-z-]+|\b[a-z_]+(?:\.[a-z_0-9]+)+", text):
        line = first_line + text.count("\n", 0, match.start())
        word = match[0]
        if word in OPTIONS:
            yield Finding(path, line, word, OPTIONS[word])
        for old, new in KEYS.items():
            if "." in word and f"{word}.".find(f"{old}.") >= 0 and not word.startswith("--"):
                yield Finding(path, line, old, new)
        for part in word.split(".")[1:] if word.startswith(("data.", "pipeline.")) else ():
            if part in FIELDS:
                yield Finding(path, line, part, FIELDS[part])


def _docstrings(tree: ast.AST) -> dict[int, ast.AST]:
    """Return the owner of every docstring by the id of its constant."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        id(node.body[0].value): node
        for node in ast.walk(tree)
        if isinstance(node, owners)
        and node.body
        and isinstance(node.body[0], ast.Expr)
        and isinstance(node.body[0].value, ast.Constant)
    }


def _seed_words(tree: ast.AST) -> set[int]:
    """Return the ids of the arguments of ``seed_for`` and ``generator``."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {
        id(arg)
        for call in calls
        if getattr(call.func, "attr", getattr(call.func, "id", "")) in ("seed_for", "generator")
        for arg in call.args
    }


class _NameChecker(ast.NodeVisitor):
    """Collect the replaced names of a module."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.findings: list[Finding] = []
        self.fields = FIELDS | {
            old: new
            for prefix, table in CLASS_FIELDS.items()
            if path.startswith(f"scgnn/{prefix}")
            for old, new in table.items()
        }
        self.depth = 0  # of functions

    def look_up(self, name: str, table: dict[str, str], node: ast.AST) -> None:
        """Record a name that a table replaces."""
        new = table.get(name.lstrip("_"))
        if new:
            self.findings.append(Finding(self.path, node.lineno, name, new))  # type: ignore[attr-defined]

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.look_up(node.name, CLASSES, node)
        depth, self.depth = self.depth, 0
        self.generic_visit(node)
        self.depth = depth

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        name = node.name.lstrip("_")
        if not name.startswith("test_") and not _is_noun(node):
            self.look_up(node.name, FUNCTIONS, node)
            if name.startswith("refuse_"):
                new = name.replace("refuse_", "check_")
                self.findings.append(Finding(self.path, node.lineno, node.name, new))
        args = node.args
        for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
            if arg is not None:
                self.look_up(arg.arg, FIELDS | VARIABLES, arg)
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if isinstance(node.target, ast.Name):
            table = VARIABLES if self.depth else self.fields
            self.look_up(node.target.id, table | CONSTANTS, node)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            types = {} if self.depth else CLASSES
            self.look_up(node.id, VARIABLES | CONSTANTS | types, node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr != getattr(node.value, "id", ""):  # signal.signal
            self.look_up(node.attr, FIELDS, node)
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg:
            self.look_up(node.arg, FIELDS, node.value)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.args[0] if node.args else None
        if getattr(node.func, "attr", "") == "register" and isinstance(name, ast.Constant):
            self.look_up(str(name.value), COMPONENTS, node)
        self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self.look_up(alias.asname or "", CLASSES | FUNCTIONS, node)


def _is_noun(node: ast.FunctionDef) -> bool:
    """Return whether a function is a property or a fixture, which are named by nouns."""
    decorators = (d.func if isinstance(d, ast.Call) else d for d in node.decorator_list)
    names = {getattr(d, "id", getattr(d, "attr", "")) for d in decorators}
    return bool({"property", "cached_property", "fixture"} & names)


def check_python(path: str, source: str) -> Iterator[Finding]:
    """Yield the findings of a Python file."""
    tree = ast.parse(source)
    checker = _NameChecker(path)
    checker.visit(tree)
    yield from checker.findings
    docstrings, seeds = _docstrings(tree), _seed_words(tree)
    in_tables = path.startswith(("scgnn/stats", "scgnn/study", "scgnn/report", "scgnn/runs"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in seeds:
            owner = docstrings.get(id(node))
            if owner is not None and not isinstance(owner, ast.FunctionDef):
                opening = OPENINGS.match(node.value)
                if opening and not path.startswith("tests/"):
                    yield Finding(path, node.lineno, opening[0], "(noun phrase)")
            yield from check_text(path, node.value, node.lineno)
            yield from check_keys(path, node.value, node.lineno)
            words = VALUES | (COLUMNS if in_tables else {})
            if node.value in words:
                yield Finding(path, node.lineno, f'"{node.value}"', words[node.value])
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield from check_text(path, token.string, token.start[0])


def check_yaml(path: str, text: str) -> Iterator[Finding]:
    """Yield the findings of a YAML file: phrases of comments, keys."""
    for number, line in enumerate(text.splitlines(), 1):
        code, hash_, comment = line.partition("#")
        if hash_:
            yield from check_text(path, comment, number)
        for key in re.findall(r"([A-Za-z_]\w*):", code):
            if key in FIELDS:
                yield Finding(path, number, key, FIELDS[key])
        for value in re.findall(r"[\w]+", code):
            if value in VALUES:
                yield Finding(path, number, value, VALUES[value])


def check_markdown(path: str, text: str) -> Iterator[Finding]:
    """Yield the findings of prose, and of the YAML and options that it quotes."""
    yield from check_text(path, text)
    yield from check_keys(path, text)
    for block in re.finditer(r"```yaml\n(.*?)```", text, re.DOTALL):
        first = text.count("\n", 0, block.start(1))
        for finding in check_yaml(path, block[1]):
            yield finding._replace(line=finding.line + first)


CHECKERS = {".py": check_python, ".md": check_markdown, ".yaml": check_yaml}


def check_file(path: Path) -> list[Finding]:
    """Return the findings of one file, in the order of its lines."""
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text(encoding="utf-8")
    suffix = path.suffix
    if suffix == ".txt":  # a template of a plug-in, with placeholders such as $name
        suffix, text = path.with_suffix("").suffix, text.replace("$", "")
    checker = CHECKERS.get(suffix)
    findings = set(checker(name, text)) if checker else set()
    lines = text.splitlines()  # an old name on purpose, as in tests of messages, is marked
    findings = {f for f in findings if not lines[f.line - 1].endswith("# old name")}
    if path.suffix == ".py" and name.startswith("scgnn/") and path.stem in MODULES:
        findings.add(Finding(name, 1, f"module {path.stem}", MODULES[path.stem]))
    return sorted(findings, key=lambda finding: finding.line)


def iter_files() -> Iterator[Path]:
    """Yield the files to check."""
    yield ROOT / "README.md"
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in {*CHECKERS, ".txt"} and not name.startswith(NOT_CHECKED):
                yield path


def package_of(path: str) -> str:
    """Return the package, or the top folder, of a file."""
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "scgnn" and len(parts) > 2 else parts[0]


def main() -> int:
    """Print every finding, or their counts; return 1 if there are any."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("paths", nargs="*", type=Path, help="files; by default the whole project")
    parser.add_argument("--count", action="store_true", help="print counts by package only")
    args = parser.parse_args()
    files = list(iter_files())
    if args.paths:
        files = [path for path in files if path in {path.resolve() for path in args.paths}]
    findings = [finding for path in files for finding in check_file(path)]
    if args.count:
        counts = Counter(package_of(finding.path) for finding in findings)
        lines = [f"{name:<24}{count:>6}" for name, count in sorted(counts.items())]
        print("\n".join([*lines, f"{'all':<24}{len(findings):>6}"]))
    else:
        print("\n".join(map(str, findings)) or "no replaced words")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
