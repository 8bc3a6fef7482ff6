from __future__ import annotations

import pytest

from tests.conformance.cdm_sink_suite import CdmSinkSuite
from tests.conformance.sink_suite import SinkSuite
from tests.connectors.iceberg.warehouse import CommonModels, Warehouse


class TestIcebergSink(SinkSuite):
    @pytest.fixture
    def lab(self, tmp_path):
        made = Warehouse(tmp_path / "warehouse")
        yield made
        made.catalog.close()


class TestCommonModelsInIceberg(CdmSinkSuite):
    @pytest.fixture
    def lab(self, tmp_path):
        made = CommonModels(tmp_path / "warehouse")
        yield made
        made.catalog.close()
