"""Sources of CRM data: files, and the one that makes a CRM up. All map to accounts and activities."""
