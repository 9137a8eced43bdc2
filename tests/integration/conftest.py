# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures shared by the integration tests."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent / "differential"))
