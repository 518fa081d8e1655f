--- Ghost text by Neovim's own |vim.lsp.inline_completion| (0.12).
local insert = require('dsc.insert')

local M = {}

local METHOD = 'textDocument/inlineCompletion'
local INVOKED = 1

--- Where others were asked for last.
local asked_at = ''

--- Neovim inserts at the place that the text was offered for; what was typed since would stay
--- behind it. So we insert ourselves.
local function suggestion_of(item)
  local row, start_column, _, end_column = item.range:to_extmark()
  return {
    row = row,
    start_column = start_column,
    replaced = end_column - start_column,
    text = item.insert_text:gsub('\r\n', '\n'),
    command = item.command,
    client_id = item.client_id,
  }
end

--- @param otherwise fun() called if the suggestion that is shown does not fit any more
--- @return boolean taken whether there is a suggestion to take; it is taken a moment later
function M.accept(cut, otherwise)
  return vim.lsp.inline_completion.get({
    on_accept = function(item)
      if type(item.insert_text) ~= 'string' or not item.range then
        return item
      end
      if not insert.take(suggestion_of(item), cut) then
        otherwise()
      end
    end,
  })
end

function M.dismiss()
  return vim.lsp.inline_completion.get({ on_accept = function() end })
end

--- Neovim's own asks only as one types, which brings one suggestion. So we ask for others, and once
--- the server knows them have it ask again.
function M.select(count)
  local buffer = vim.api.nvim_get_current_buf()
  local function select()
    vim.lsp.inline_completion.select({ count = count })
  end
  local cursor = vim.api.nvim_win_get_cursor(0)
  local place = ('%d %d %d %d'):format(buffer, vim.b.changedtick, cursor[1], cursor[2])
  local client = vim.lsp.get_clients({ name = 'dsc', bufnr = buffer })[1]
  if not client or place == asked_at then
    return select()
  end
  asked_at = place
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  params.context = { triggerKind = INVOKED }
  local id
  id = insert.request(client, METHOD, params, function(failure)
    if failure or vim.api.nvim_get_current_buf() ~= buffer then
      return
    end
    vim.api.nvim_create_autocmd('LspRequest', {
      buffer = buffer,
      callback = function(event)
        local request = event.data.request
        if request.method ~= METHOD or request.type ~= 'complete' or event.data.request_id == id then
          return false
        end
        vim.schedule(select)
        return true
      end,
    })
    vim.api.nvim_exec_autocmds('CursorMovedI', { buffer = buffer })
  end, buffer)
end

function M.enable(enabled, buffer)
  vim.lsp.inline_completion.enable(enabled, { bufnr = buffer })
end

return M
