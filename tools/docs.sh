#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Build the reference (modules, roles) as HTML below .cache/docs/html, offline. Warnings are errors.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PWD/.venv/bin:$PATH ANSIBLE_HOME=$PWD/.cache/ansible LC_ALL=C.UTF-8 NO_COLOR=1

docs=.cache/docs
rm -rf "$docs"
# antsibull-docs refuses a directory that others can write to.
mkdir -p "$docs/rst"
chmod 755 "$docs/rst"
cat >"$docs/conf.py" <<'EOF'
project = "finaegis.runbook"
copyright = "FinAegis contributors"
extensions = ["sphinx_antsibull_ext"]
html_theme = "sphinx_ansible_theme"
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"
# References into Ansible's own documentation would need its inventory from the network.
suppress_warnings = ["ref.ref"]
EOF
antsibull-docs collection --use-current --squash-hierarchy --fail-on-error --dest-dir "$docs/rst" finaegis.runbook
sphinx-build --quiet --fail-on-warning --keep-going -c "$docs" "$docs/rst" "$docs/html"
echo "docs: $docs/html/index.html"
