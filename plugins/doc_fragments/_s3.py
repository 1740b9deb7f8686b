# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Twin of core.options.s3(); the names are those of amazon.aws.
    DOCUMENTATION = r"""
options:
  endpoint_url:
    description: URL of an S3 server that is not Amazon's, such as MinIO or Ceph; omitted, Amazon's for the O(region).
    type: str
  region:
    description: Region of the bucket; omitted, that of the environment or the O(profile), else V(us-east-1).
    type: str
  access_key:
    description: Access key; omitted, boto3 looks in the environment, the O(profile) and the machine's role, in this order.
    type: str
  secret_key:
    description: Secret key that belongs to O(access_key); required together with it.
    type: str
  profile:
    description: Name of a profile in the AWS configuration files; omitted, the default one. Not together with O(access_key).
    type: str
requirements:
  - boto3 (the Python library) where the task runs, for s3:// addresses only
"""
