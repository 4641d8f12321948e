"""Studies: one recipe, many changes, and which of them make a difference."""

from scgnn.study.run import StudyResult, run_study
from scgnn.study.spec import Study, bundled_studies, is_study, load_study

__all__ = ["Study", "StudyResult", "bundled_studies", "is_study", "load_study", "run_study"]
